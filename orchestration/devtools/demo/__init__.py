"""The demo: three sample organizations, three business dates, a real SFTP server on loopback."""
