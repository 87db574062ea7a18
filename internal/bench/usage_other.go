//go:build !linux

package main

import (
	"errors"
	"time"
)

const usageIsKnown = false

func cpuTime() time.Duration { return 0 }

func residentMemory(int) (int64, error) { return 0, errors.ErrUnsupported }
