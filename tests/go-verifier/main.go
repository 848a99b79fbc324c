// A verifier of logs in the C2SP tlog-tiles layout, on Go's sumdb packages: a judge of ours that shares no code with it.
//
// It is built and driven by gateway/audit/tests. The argument is the log's verifier key. Standard input is commands, each a line:
//
//	base <path> <length>    a file of the log, followed by its bytes
//	put <path> <length>     the same for the next check only
//	drop <path>             a file that is not there for the next check
//	check                   answered by one line: "ok <size>", or "no <why>"
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	sizeMax    = 1 << 20
)

// files is a log: the base, and what is otherwise for one check (nil: not there).
type files struct {
	base, other map[string][]byte
}

func (f *files) read(path string) ([]byte, bool) {
	if bytes, changed := f.other[path]; changed {
		return bytes, bytes != nil
	}
	bytes, found := f.base[path]
	return bytes, found
}

// tile reads a file of the tree, or the full one where the partial one has gone.
func (f *files) tile(path string) (bytes []byte, full bool, err error) {
	if bytes, found := f.read(path); found {
		return bytes, false, nil
	}
	if cut := strings.LastIndex(path, ".p/"); cut >= 0 {
		if bytes, found := f.read(path[:cut]); found {
			return bytes, true, nil
		}
	}
	return nil, false, fmt.Errorf("%s is missing", path)
}

// hashes are those of a tile, with the path that Go gives it. Go's path has the height of tiles in it, which is always 8 in a
// C2SP log.
func (f *files) hashes(tile tlog.Tile) ([]byte, error) {
	path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
	bytes, full, err := f.tile(path)
	if full && len(bytes) == tileWidth*tlog.HashSize {
		bytes = bytes[:tile.W*tlog.HashSize]
	}
	return bytes, err
}

func number(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

// entries are the leaves of a bundle.
func (f *files) entries(index int64, width int) ([][]byte, error) {
	path := "tile/entries/" + number(index)
	if width < tileWidth {
		path = fmt.Sprintf("%s.p/%d", path, width)
	}
	bytes, full, err := f.tile(path)
	if err != nil {
		return nil, err
	}
	var leaves [][]byte
	for len(bytes) > 0 {
		if len(bytes) < 2 {
			return nil, fmt.Errorf("%s ends within a length", path)
		}
		length := int(bytes[0])<<8 | int(bytes[1])
		bytes = bytes[2:]
		if len(bytes) < length {
			return nil, fmt.Errorf("%s ends within a leaf", path)
		}
		leaves = append(leaves, bytes[:length])
		bytes = bytes[length:]
	}
	if full && len(leaves) == tileWidth {
		leaves = leaves[:width]
	}
	if len(leaves) != width {
		return nil, fmt.Errorf("%s has %d leaves", path, len(leaves))
	}
	return leaves, nil
}

func checkpoint(message []byte, key note.Verifier) (tlog.Tree, error) {
	signed, err := note.Open(message, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.SplitN(signed.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != key.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > sizeMax {
		return tlog.Tree{}, errors.New("no size that can be")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("no root")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// verify makes the whole tree anew from the leaves and compares the root and every tile with it. A TileHashReader would do less:
// before golang.org/x/mod v0.40.0 it leaves some tiles unchecked (CVE-2026-56865), and Debian ships an older one.
func verify(f *files, key note.Verifier) (int64, error) {
	message, found := f.read("checkpoint")
	if !found {
		return 0, errors.New("no checkpoint")
	}
	tree, err := checkpoint(message, key)
	if err != nil || tree.N == 0 {
		return 0, err
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for from := int64(0); from < tree.N; from += tileWidth {
		width := tree.N - from
		if width > tileWidth {
			width = tileWidth
		}
		leaves, err := f.entries(from/tileWidth, int(width))
		if err != nil {
			return 0, err
		}
		for place, leaf := range leaves {
			hashes, err := tlog.StoredHashes(from+int64(place), leaf, reader)
			if err != nil {
				return 0, err
			}
			stored = append(stored, hashes...)
		}
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return 0, err
	}
	if root != tree.Hash {
		return 0, errors.New("the leaves do not make the root")
	}
	for _, tile := range tlog.NewTiles(tileHeight, 0, tree.N) {
		// Older versions name every partial tile on the way.
		if last := tree.N >> (tileHeight * uint(tile.L)) % tileWidth; tile.W < tileWidth && int64(tile.W) != last {
			continue
		}
		made, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return 0, err
		}
		found, err := f.hashes(tile)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(made, found) {
			return 0, fmt.Errorf("%s is not the tile of the leaves", tile.Path())
		}
	}
	return tree.N, nil
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: go-verifier <verifier key>, with commands on standard input")
	}
	key, err := note.NewVerifier(os.Args[1])
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	log := files{base: map[string][]byte{}, other: map[string][]byte{}}
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		words := strings.Fields(line)
		if err != nil || len(words) == 0 {
			return fmt.Errorf("no command: %v", err)
		}
		switch {
		case len(words) == 3 && (words[0] == "base" || words[0] == "put"):
			length, err := strconv.Atoi(words[2])
			if err != nil {
				return err
			}
			content := make([]byte, length)
			if _, err := io.ReadFull(in, content); err != nil {
				return err
			}
			if words[0] == "base" {
				log.base[words[1]] = content
			} else {
				log.other[words[1]] = content
			}
		case len(words) == 2 && words[0] == "drop":
			log.other[words[1]] = nil
		case words[0] == "check":
			size, err := verify(&log, key)
			if err != nil {
				fmt.Fprintf(out, "no %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
			} else {
				fmt.Fprintf(out, "ok %d\n", size)
			}
			if err := out.Flush(); err != nil {
				return err
			}
			log.other = map[string][]byte{}
		default:
			return fmt.Errorf("no command: %q", line)
		}
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
