from kehu_chassis.migrations import run_env

run_env()
