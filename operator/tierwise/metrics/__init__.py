"""Metrics: functions of score distributions."""
