//go:build sim

package keyhash

// Bytes returns the hash of a name: FNV-1a with its bits mixed, the same in each process, so that a seed of
// the simulation that fails in one fails in another too.
func Bytes(name []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range name {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// String is Bytes for a string.
func String(name string) uint64 { return Bytes([]byte(name)) }
