//go:build !race

package compat

const mixCommands = 200_000
