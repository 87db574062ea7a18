//go:build !race

package main

// overhead is 1 without the race detector.
const overhead = 1
