"""Answers of models outside of any run, for services that ask for one."""
