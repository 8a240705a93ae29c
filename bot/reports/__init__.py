"""Figures and texts for people outside the chats."""
