//go:build !sim

package lull

const shardBits = 7
