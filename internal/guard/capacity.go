package guard

// mostConnections is the greatest Capacity. A connection takes about 20 KiB of memory.
const mostConnections = 10_000

// The descriptors that Capacity leaves to the rest of the process: the database, STS, the log and files.
const leastReserve = 64

// Capacity returns how many connections the process can have open: its limit of open files less a reserve, and at most
// 10,000.
func Capacity() int { return capacity(openFiles()) }

// capacity returns the connections that a limit of open files allows: the reserve is a quarter of it, at least 64, and
// never more than half.
func capacity(files uint64) int {
	reserve := max(files/4, min(leastReserve, files/2))
	return max(1, int(min(files-reserve, mostConnections)))
}
