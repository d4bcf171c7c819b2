package qcow2

import (
	"bytes"
	"encoding/binary"
)

// Close writes the tables and the header. It does not close the file.
func (w *Writer) Close() error {
	if err := w.finishTable(); err != nil {
		return err
	}
	h := header{
		Version:       3,
		ClusterBits:   uint32(w.clusterBits),
		Size:          uint64(w.size),
		L1Size:        uint32(len(w.l1) / 8),
		RefcountOrder: 4,
		HeaderLength:  headerSize,
	}
	copy(h.Magic[:], magic)
	at, err := w.writeAligned(w.l1)
	if err != nil {
		return err
	}
	if h.L1Size > 0 {
		h.L1TableOffset = uint64(at)
	}
	if err := w.align(); err != nil {
		return err
	}
	w.refs.add(0, 1) // the header's cluster
	blocks, table := w.refs.encode(w.end)
	h.RefcountTableOffset = uint64(w.end) + uint64(len(blocks))
	h.RefcountTableClusters = uint32(len(table) >> w.clusterBits)
	if err := w.write(blocks); err != nil {
		return err
	}
	if err := w.write(table); err != nil {
		return err
	}
	return w.writeHeader(h)
}

func (w *Writer) writeHeader(h header) error {
	var b bytes.Buffer
	if w.compression != Zlib {
		h.Incompatible |= incompatCompression
		h.HeaderLength += 8
	}
	if err := binary.Write(&b, binary.BigEndian, h); err != nil {
		return err
	}
	if w.compression != Zlib {
		b.Write([]byte{byte(w.compression), 0, 0, 0, 0, 0, 0, 0})
	}
	// The end of the header extensions is eight zeros, as the file has here anyway.
	_, err := w.file.WriteAt(b.Bytes(), 0)
	return err
}
