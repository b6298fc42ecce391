"""Advertisements: real impressions and clicks, and purchases that come days later."""
