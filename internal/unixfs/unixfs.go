// Package unixfs finds files in file systems that are read without mounting them.
package unixfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Kind is what a Node is.
type Kind int

const (
	Other Kind = iota
	Regular
	Folder
	Link
)

// ModeKind returns the kind that the mode of an inode tells.
func ModeKind(mode uint32) Kind {
	switch mode & 0xf000 {
	case 0x8000:
		return Regular
	case 0x4000:
		return Folder
	case 0xa000:
		return Link
	}
	return Other
}

// A Node is a file, folder or symbolic link.
type Node interface {
	Kind() Kind
	// Lookup returns what a folder has under a name, or fs.ErrNotExist.
	Lookup(name string) (Node, error)
	// Contents is what a file or link holds.
	Contents() (File, error)
}

// A File is a file's contents.
type File interface {
	io.ReaderAt
	Size() int64 // bytes
}

const (
	maxLinks  = 16   // that are followed for one path
	maxTarget = 4096 // bytes of where a link points
)

// Open returns the file at a path from the root, after following links. The
// error is fs.ErrNotExist if there is none.
func Open(root Node, name string) (File, error) {
	file, err := open(root, name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	return file, nil
}

func open(root Node, name string) (File, error) {
	for range maxLinks {
		node, at, rest, err := resolve(root, strings.TrimPrefix(path.Clean("/"+name), "/"))
		if err != nil {
			return nil, err
		}
		switch node.Kind() {
		case Regular:
			return node.Contents()
		case Link:
			target, err := readLink(node)
			if err != nil {
				return nil, err
			}
			if !path.IsAbs(target) {
				target = path.Join(at, target)
			}
			name = path.Join(target, rest)
		default:
			return nil, errors.New("it is no file")
		}
	}
	return nil, errors.New("there are too many links on the way")
}

// resolve goes down a path to its end, or to the first link: at is the folder
// that it is in, and rest what comes after it.
func resolve(root Node, name string) (node Node, at, rest string, err error) {
	node, at = root, "/"
	for name != "" {
		var part string
		part, name, _ = strings.Cut(name, "/")
		if node.Kind() != Folder {
			return nil, "", "", fs.ErrNotExist
		}
		if node, err = node.Lookup(part); err != nil {
			return nil, "", "", err
		}
		if node.Kind() == Link {
			return node, at, name, nil
		}
		at = path.Join(at, part)
	}
	return node, at, "", nil
}

func readLink(node Node) (string, error) {
	file, err := node.Contents()
	if err != nil {
		return "", err
	}
	if file.Size() > maxTarget {
		return "", errors.New("a link is too long")
	}
	target := make([]byte, file.Size())
	if _, err := file.ReadAt(target, 0); err != nil && err != io.EOF {
		return "", err
	}
	return string(target), nil
}
