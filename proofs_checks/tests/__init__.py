"""Every check holds, every control goes red, and the register, the strategies and the tolerances keep their word."""
