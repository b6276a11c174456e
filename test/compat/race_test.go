//go:build race

package compat

// mixCommands is fewer under the race detector, which takes most of the time then.
const mixCommands = 20_000
