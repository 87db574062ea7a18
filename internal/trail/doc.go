// Package trail makes a list of records tamper-evident: nobody can change, drop, insert or reorder one, and not be
// found.
//
// The records are the leaves of a Merkle tree (RFC 6962), whose root is a hash of all of them. A [Tree] keeps the few
// hashes that it needs to grow. From time to time a [Key] signs a [Checkpoint]: the number of records and the root. An
// export has the records and the checkpoints as lines of JSON, and [Verify] needs nothing else but the public key. An
// export as OCSF is for other programs: it has no checkpoints and cannot be verified.
//
//	tree.Append(record)                    // for each record, in order
//	signed, err := key.Sign(tree)          // the checkpoint
//	report, err := trail.Verify(export, trail.Expect{Keys: keys})
//
// What this proves: someone who can write to the database but does not have the key cannot alter what a checkpoint
// covers. What it does not prove: someone who has both can write another history, unless a checkpoint was kept
// elsewhere. Pass such a checkpoint to [Verify]. Nor does it prove that what a record says is true.
//
// The package keeps nothing and reads no clock. What the records say matters only to filters and to an export as OCSF.
// The key is not in the database and must not be: [OpenKey] keeps it in a file.
package trail
