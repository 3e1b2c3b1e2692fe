"""Training, evaluation, prediction and export: the custom loop and its scripts."""

from trainers.common.quiet import quiet_libraries

quiet_libraries()
