package main

// RunTypes is Run with other types, and Start is main with them.
var (
	RunTypes = run
	Start    = start
)
