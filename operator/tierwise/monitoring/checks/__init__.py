"""Whether what was counted can be trusted: each detector says its concern, none decides."""
