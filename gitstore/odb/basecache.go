package odb

import (
	"container/list"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// A baseCache keeps the bases of deltas that were used last. Its zero value is empty.
type baseCache struct {
	mu    sync.Mutex
	items map[baseKey]*list.Element
	order list.List // of *baseItem, the one used last at the front
	bytes int
}

type baseKey struct {
	p   *pack
	off int64
}

type baseItem struct {
	key  baseKey
	kind plumbing.ObjectType
	b    []byte
}

const (
	cachedBases = 256
	// cachedBytes is for the versions of large outputs that git has made deltas of
	// each other, in chains of up to 50: without their bases each would be made from
	// the beginning of its chain.
	cachedBytes = 32 << 20
)

func (c *baseCache) get(p *pack, off int64) (plumbing.ObjectType, []byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[baseKey{p, off}]
	if e == nil {
		return plumbing.InvalidObject, nil, false
	}
	c.order.MoveToFront(e)
	it := e.Value.(*baseItem)
	return it.kind, it.b, true
}

func (c *baseCache) put(p *pack, off int64, kind plumbing.ObjectType, b []byte) {
	key := baseKey{p, off}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(b) > cachedBytes || c.items[key] != nil {
		return
	}
	if c.items == nil {
		c.items = map[baseKey]*list.Element{}
	}
	c.items[key] = c.order.PushFront(&baseItem{key, kind, b})
	for c.bytes += len(b); len(c.items) > cachedBases || c.bytes > cachedBytes; {
		old := c.order.Remove(c.order.Back()).(*baseItem)
		delete(c.items, old.key)
		c.bytes -= len(old.b)
	}
}
