"""Slows down guessing of passwords."""

from rest_framework.throttling import AnonRateThrottle


class LoginThrottle(AnonRateThrottle):
    """Ten tries a minute from one address."""

    scope = "login"
    rate = "10/min"
