package rpm

// A Header is a list of tagged values. Values of an unexpected type are as if
// they were missing: Read has checked that those it relies on are right.
type Header struct{}

// A Tag names a value in a header.
type Tag uint32

// Has reports whether the header has the tag.
func (h *Header) Has(t Tag) bool { return false }

// String returns the value of a string tag, or the first of several; "" if it is missing.
func (h *Header) String(t Tag) string { return "" }

// Strings returns the values of a string array tag, nil if it is missing.
func (h *Header) Strings(t Tag) []string { return nil }

// Ints returns the values of an integer tag of any width, nil if it is missing.
func (h *Header) Ints(t Tag) []uint64 { return nil }

// Bytes returns the value of a binary tag, nil if it is missing. It must not be modified.
func (h *Header) Bytes(t Tag) []byte { return nil }
