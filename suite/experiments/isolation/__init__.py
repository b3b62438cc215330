"""Jobs in processes of their own: whatever a method does to its process ends with it.

A method or an evaluator may crash, leave, hang, fork, keep memory, or change what all code of its process
shares. `job_process.py` starts a process, follows its work, and replaces it; `child.py` is what runs there;
`process_state.py` finds what was changed. A run with --inline has one such process, and each Ray worker.
"""
