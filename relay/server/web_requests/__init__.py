"""Requests that the relay makes to the web, at URLs that strangers choose."""
