"""Jobs run in separate processes, so that what a method does to its process ends with the process.

A method or an evaluator may crash, exit, hang, fork, keep memory, or change state that all code of its
process shares. `job_process.py` starts a process, follows its work and replaces it; `child.py` runs in it;
`process_state.py` finds changes. A run with --inline has one such process; on Ray, each worker has one.
"""
