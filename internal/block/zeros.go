package block

// An Encoder encodes pieces of as many blocks as Blocks says, and appends what it encoded to a file.
type Encoder interface {
	Blocks() int
	Encode(*Piece) error
	Append(*Piece) error
}

// ZeroPieces are a format's encoded pieces of zeros, by their size in bytes,
// for formats in which zeros take space: each size is encoded only once.
type ZeroPieces map[int64]*Piece

// Append appends n bytes of zeros.
func (z ZeroPieces) Append(to Encoder, n int64) error {
	for n > 0 {
		size := min(n, int64(to.Blocks())*Size)
		p, ok := z[size]
		if !ok {
			p = &Piece{Size: int(size), Blocks: make([]*Block, (size+Size-1)/Size)}
			if err := to.Encode(p); err != nil {
				return err
			}
			z[size] = p
		}
		if err := to.Append(p); err != nil {
			return err
		}
		n -= size
	}
	return nil
}
