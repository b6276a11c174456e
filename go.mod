module github.com/lullcache/lull

go 1.26
