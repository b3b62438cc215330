"""A child process reads foreign files, after it has given up all rights that reading does not need.

`parent` copies the files, starts the child and checks its answer; `child` confines itself and reads;
`confinement` takes the rights away, with `landlock` and `seccomp` of Linux.
"""
