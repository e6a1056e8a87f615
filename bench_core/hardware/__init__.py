"""The machine and its state: devices, fingerprint, precision, contention, checks before measuring.

May import ``core``. A new kind of device needs a change in ``device.py`` only.
"""
