package compat

import (
	"os"
	"testing"

	"github.com/lullcache/lull/internal/proof"
)

func TestMain(m *testing.M) {
	code := m.Run()
	proof.Print(os.Stdout)
	os.Exit(code)
}
