package lull

import "github.com/lullcache/lull/internal/fsys"

// WithFS makes the engine keep its files in fs.
func WithFS(o *Options, fs fsys.FS) { o.fs = fs }
