// Package rpmdb counts the packages in an RPM database without RPM: the file
// rpmdb.sqlite, in SQLite's format (sqlite.org/fileformat2.html), whose table
// Packages has a row for each.
package rpmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	headerSize = 100 // of the database, in front of the first page's own
	maxPages   = 1 << 20
	maxDepth   = 20

	interiorTable, leafTable = 5, 13
)

var be = binary.BigEndian

// A database is one that is read.
type database struct {
	file     io.ReaderAt
	pageSize int64
	usable   int // of each page, bytes
	read     int // pages
}

// Count returns how many packages there are.
func Count(f io.ReaderAt) (int, error) {
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return 0, err
	}
	if string(head[:16]) != "SQLite format 3\x00" {
		return 0, errors.New("it is no SQLite database")
	}
	db := &database{file: f, pageSize: int64(be.Uint16(head[16:]))}
	if db.pageSize == 1 {
		db.pageSize = 65536
	}
	db.usable = int(db.pageSize) - int(head[20])
	if db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 {
		return 0, errors.New("the database's header is damaged")
	}
	root := int64(0)
	err := db.walk(1, 0, func(payload []byte) error {
		if kind, name, page, ok := schemaRow(payload); ok && kind == "table" && name == "Packages" {
			root = page
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if root == 0 {
		return 0, errors.New("the database has no table Packages")
	}
	count := 0
	err = db.walk(root, 0, func([]byte) error { count++; return nil })
	return count, err
}

// walk calls row with what is in place of every row of a table, whose root is page n.
func (db *database) walk(n int64, depth int, row func([]byte) error) error {
	if db.read++; db.read > maxPages || depth > maxDepth || n < 1 {
		return errors.New("the database's tree is damaged")
	}
	page := make([]byte, db.pageSize)
	if _, err := db.file.ReadAt(page, (n-1)*db.pageSize); err != nil {
		return fmt.Errorf("reading page %d: %w", n, err)
	}
	head := page
	if n == 1 {
		head = page[headerSize:]
	}
	kind, cells := head[0], int(be.Uint16(head[3:]))
	size := 8
	if kind == interiorTable {
		size = 12
	}
	if kind != interiorTable && kind != leafTable || size+2*cells > len(head) {
		return fmt.Errorf("page %d of the database is damaged", n)
	}
	for i := range cells {
		at := int(be.Uint16(head[size+2*i:]))
		if at+4 > db.usable {
			return fmt.Errorf("page %d of the database is damaged", n)
		}
		if kind == interiorTable {
			if err := db.walk(int64(be.Uint32(page[at:])), depth+1, row); err != nil {
				return err
			}
			continue
		}
		if err := row(local(page[at:db.usable])); err != nil {
			return err
		}
	}
	if kind == interiorTable {
		return db.walk(int64(be.Uint32(head[8:])), depth+1, row)
	}
	return nil
}

// local returns what a leaf's cell has of its row on the page itself, after
// the row's length and number.
func local(cell []byte) []byte {
	length, n := varint(cell)
	_, m := varint(cell[n:])
	cell = cell[n+m:]
	return cell[:min(uint64(len(cell)), length)]
}

// varint reads one of SQLite's: at most nine bytes, the first of them first.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 {
		if n == 8 {
			return v<<8 | uint64(b[n]), 9
		}
		v = v<<7 | uint64(b[n]&0x7f)
		n++
		if b[n-1] < 0x80 {
			break
		}
	}
	return v, n
}

// schemaRow reads type, name and root page of a row of sqlite_schema: the
// columns 1, 2 and 4.
func schemaRow(record []byte) (kind, name string, root int64, ok bool) {
	size, n := varint(record)
	if size > uint64(len(record)) {
		return "", "", 0, false
	}
	head, body := record[n:max(int(size), n)], record[size:]
	for column := range 4 {
		serial, n := varint(head)
		if n == 0 {
			return "", "", 0, false
		}
		head = head[n:]
		length := serialSize(serial)
		if length > uint64(len(body)) {
			return "", "", 0, false
		}
		value := body[:length]
		body = body[length:]
		switch column {
		case 0:
			kind = string(value)
		case 1:
			name = string(value)
		case 3:
			for _, b := range value {
				root = root<<8 | int64(b)
			}
			if serial == 9 {
				root = 1
			}
		}
	}
	return kind, name, root, true
}

// serialSize is the length of a value of a serial type, in bytes.
func serialSize(serial uint64) uint64 {
	switch {
	case serial >= 12:
		return (serial - 12) / 2
	case serial <= 4:
		return serial
	case serial == 5:
		return 6
	case serial <= 7:
		return 8
	}
	return 0
}
