package trail

import (
	"encoding/base64"
	"errors"
	"math/bits"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256: of a record, or of two hashes.
type Hash = tlog.Hash

// HashOf returns the hash of a record as the tree has it.
func HashOf(record []byte) Hash { return tlog.RecordHash(record) }

// Tree is a Merkle tree of records. It keeps only its edge: one hash for each of the perfect trees that it consists of,
// the largest first. The zero value is an empty tree. A Tree can be copied.
type Tree struct {
	Size int64  // the number of records
	edge []Hash // as many as Size has binary digits that are 1
}

// Append adds a record, and returns its hash.
func (t *Tree) Append(record []byte) Hash {
	leaf := HashOf(record)
	t.add(leaf)
	return leaf
}

// AppendHash adds a record by its hash, in base64.
func (t *Tree) AppendHash(text string) error {
	leaf, err := tlog.ParseHash(text)
	if err == nil {
		t.add(leaf)
	}
	return err
}

// add adds a leaf: two perfect trees of one size make one of twice the size, as digits carry in a sum.
func (t *Tree) add(leaf Hash) {
	edge := append(make([]Hash, 0, len(t.edge)+1), t.edge...)
	for n := t.Size; n&1 == 1; n >>= 1 {
		last := len(edge) - 1
		leaf, edge = tlog.NodeHash(edge[last], leaf), edge[:last]
	}
	t.edge = append(edge, leaf)
	t.Size++
}

// Root returns the hash of all records.
func (t Tree) Root() Hash {
	if t.Size == 0 {
		empty, _ := tlog.TreeHash(0, nil)
		return empty
	}
	root := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		root = tlog.NodeHash(t.edge[i], root)
	}
	return root
}

// Edge returns the hashes that [Regrow] needs, in base64, separated by spaces.
func (t Tree) Edge() string {
	words := make([]string, len(t.edge))
	for i, h := range t.edge {
		words[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return strings.Join(words, " ")
}

var errEdge = errors.New("the hashes do not fit the number of records")

// Regrow returns the tree of a size that has an edge.
func Regrow(size int64, edge string) (Tree, error) {
	t := Tree{Size: size}
	for _, word := range strings.Fields(edge) {
		h, err := tlog.ParseHash(word)
		if err != nil {
			return Tree{}, errEdge
		}
		t.edge = append(t.edge, h)
	}
	if size < 0 || len(t.edge) != bits.OnesCount64(uint64(size)) || t.Edge() != edge {
		return Tree{}, errEdge
	}
	return t, nil
}
