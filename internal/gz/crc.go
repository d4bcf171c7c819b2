package gz

import "hash/crc32"

// combine returns the CRC-32 of two pieces of data, one after the other, from
// the CRC-32 of each and the second's length in bytes.
//
// A CRC is the remainder of a polynomial over GF(2), so the first one only has
// to be multiplied by x to the power of the second's length in bits.
func combine(first, second uint32, n int64) uint32 {
	power := uint32(1 << 31) // x^0: the highest bit is the constant term
	square := multiply(1<<30, 1<<30)
	for range 2 {
		square = multiply(square, square) // x^8, one byte
	}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			power = multiply(power, square)
		}
		square = multiply(square, square)
	}
	return multiply(power, first) ^ second
}

// multiply multiplies two polynomials modulo that of CRC-32.
func multiply(a, b uint32) uint32 {
	product := uint32(0)
	for ; a != 0; a <<= 1 {
		if a>>31 == 1 {
			product ^= b
		}
		if b&1 == 1 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
