package main

// ParseLine reads a line.
var ParseLine = parseLine
