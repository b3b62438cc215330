"""What an audit of a set measures: attacks, calibration, copies of real images."""
