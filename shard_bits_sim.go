//go:build sim

package lull

// In the simulation keys have to share shards, of which it has few, as they do where there are millions.
const shardBits = 3
