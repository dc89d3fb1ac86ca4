"""Shutting processes in: kernel calls, system call filters, control groups. Linux; imports anywhere."""
