"""What the machine is and how it behaves: devices, fingerprint, precision, contention, fitness to measure.

May import ``core``. A new kind of device touches ``device.py`` alone.
"""
