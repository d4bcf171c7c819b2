package qcow2

import "encoding/binary"

// refcounts says how many things lie in each cluster of the file. It takes 2
// bytes of memory for each, 32 MiB for an image file of 1 TiB.
type refcounts struct {
	bits   int // of a cluster
	counts []uint16
}

// add counts one more for the clusters that n bytes at off touch.
func (r *refcounts) add(off, n int64) {
	last := (off + n - 1) >> r.bits
	for int64(len(r.counts)) <= last {
		r.counts = append(r.counts, 0)
	}
	for i := off >> r.bits; i <= last && n > 0; i++ {
		r.counts[i]++
	}
}

// encode returns the refcount blocks and the refcount table as they are to
// be written one after the other at off, a cluster's start and the end of all
// that was counted. They count themselves.
func (r *refcounts) encode(off int64) (blocks, table []byte) {
	cluster := int64(1) << r.bits
	perBlock := cluster / 2
	n, t := int64(0), int64(0) // clusters of blocks and of the table
	for {
		total := off>>r.bits + n + t
		needBlocks := (total + perBlock - 1) / perBlock
		needTable := (8*needBlocks + cluster - 1) / cluster
		if needBlocks == n && needTable == t {
			break
		}
		n, t = needBlocks, needTable
	}
	r.add(off, (n+t)*cluster)
	blocks = make([]byte, n*cluster)
	for i, count := range r.counts {
		binary.BigEndian.PutUint16(blocks[2*i:], count)
	}
	table = make([]byte, t*cluster)
	for i := range n {
		binary.BigEndian.PutUint64(table[8*i:], uint64(off+i*cluster))
	}
	return blocks, table
}
