//go:build race

package main

// overhead is how much more memory a process takes because these tests run under the race detector.
const overhead = 4
