"""Foreign files are read in a child process that has given up what reading does not need.

`parent` copies the files, starts the child and checks its answer; `child` reads; `confinement` says what the
child gives up, which `landlock` and `seccomp` ask of Linux.
"""
