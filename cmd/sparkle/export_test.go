package main

// Recent reports a server's version that has what we need.
var Recent = recent
