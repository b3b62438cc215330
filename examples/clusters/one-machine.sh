#!/bin/sh
# One machine with several GPUs: Ray finds them all. Run it again to go on; exit code 75 says that it may.
set -eu
exec ratbench run "${GRID:-paper}" --store "${STORE:-runs/paper}" --data "${DATA:-data}" "$@"
