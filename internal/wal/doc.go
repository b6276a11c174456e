// Package wal is a write-ahead log in segments of fixed size. It gives records an
// order and keeps them; it does not know what they mean.
//
// # What it guarantees
//
//  1. When Append has returned, the record survives the death of the process.
//  2. When WaitSynced has returned, it and all before it survive the loss of power.
//  3. After any crash the log holds all of those, of the others a beginning in the
//     order of Append, and nothing else: no half record, no record that an earlier
//     Open had cut off, none from an earlier life of the same disk blocks.
//  4. If something that was durable is not there any more as it was, Open or Replay
//     says so (*DamageError) and stops. Nothing is skipped in silence.
//
// # The bytes
//
// A log is a directory of files named by their number, 0000000000000001.log and so
// on. All integers are little-endian.
//
//	segment   0        128  512      640   1024                      size
//	          | header | 0  | header | 0   | frame | frame | … | zeros |
//	                          (a copy)
//
//	header    0       8         12      16       32       40     48     56
//	          | magic | version | crc   | log id | number | base | size |
//	          56     64        72      80        88        96        104 124
//	          | prev | prevEnd | after | durable | carried | created | preamble | crc |
//
//	preamble  the CRC of the preamble's data (4), and zeros
//
//	frame     0     4        8      12         16
//	          | crc | length | kind | data crc | data … zeros to a multiple of 8 |
//
// The magic, the version and the CRC behind them stay where they are in every
// version of the format. All CRCs are CRC-32C. That of a frame covers bytes 4 to 16 of it,
// begins not at 0 but at the CRC of log id and number, and is XORed with the frame's
// offset: a frame passes only in the file, and at the place, for which it was made.
//
// The position of a byte is base + its offset in the file; that of a record is that of its
// frame's end. The base of a segment is at least the end of the one before,
// so positions have gaps where segments meet.
//
//	kind  data
//	RECO  a whole record
//	FRST  the first part of a record, which goes on in the next segment
//	MIDL  a further part
//	LAST  the last part; its end is the position of the record
//	PREA  the preamble: the first frame of a segment
//	MARK  durable(8) base(8): all bytes below position durable were on the disk when
//	      this was written; base is the segment's, in case its headers are lost
//	LOST  put by Repair over bytes that were no frames
//
// A record larger than an eighth of a segment is written in parts, a smaller one goes to
// the next segment if it does not fit. Parts rather than one larger
// segment, because all segments then stay alike: any can be recycled for any, the
// limit on disk use is exact, and no file of half a gigabyte must be allocated and
// filled with zeros while writers wait.
//
// # How it is written
//
// Two segments are kept allocated ahead. A segment is filled with zeros and synced
// under a temporary name, then renamed, then the directory is synced: under its own
// name there are never any but durable zeros, until it is used. A trimmed
// segment that is to be recycled is first renamed to the temporary name and the directory
// synced; from there it goes the same way.
//
// Append copies the frame into a shared mapping of the file, under one mutex. The
// next segment is begun in the same way, by a header in the mapping: no system call. The
// mapping never reaches beyond what is allocated. A fault in it (the
// disk refuses to read a page back) becomes an error, not the end of the process.
// Where files cannot be mapped, a frame is one WriteAt.
//
// A sync appends a mark, notes the end, and calls fdatasync on the descriptor of each
// segment that has something new, oldest first. fdatasync and not msync: on
// Linux the two share one page cache, and only the descriptor tells, reliably and once,
// of every write-back that failed since it was opened. After an error the
// log has failed for good, since the kernel may hold the lost pages for clean and
// answer a second fdatasync with success.
//
// # How it is read
//
// Each header names its predecessor and says where that ended (prevEnd). The chain
// begins at the oldest segment and goes from each to the highest-numbered that names
// it. All frames of a segment up to the successor's prevEnd must be right, and those
// of the last until the first that is not: the end of the log. Then that end is held
// against every durable mark in any header and any MARK frame of any file, also
// behind the end. If one is higher, the end is damage. If none is, it is a tail:
// nothing above it was ever promised.
//
// # Crashes, case by case
//
// Killed in the middle of Append: the data are copied before the frame's header, so
// the frame is not valid. Tail.
//
// Power lost, and unsynced pages of one segment on the disk in any order: the first
// frame that misses one ends the log. Marks behind it are lower than it, since no
// sync that covered it has returned.
//
// The same over several segments, N torn and N+1 whole: N+1 says that N ended
// further on than it does. N is the last, N+1 void. If the header of N+1 is missing
// and N+2 is there, likewise.
//
// What was cut must stay cut, though its bytes are still there. Start never appends to an
// old segment: it takes a number above all that exist and writes, and
// syncs before anything else, a header that names N as predecessor and the end that
// Open found as prevEnd. Frames in N behind it are not read from then on. N+1
// names N too, but is lower. It is removed before, but it need not be.
//
// Positions that were given out before a crash are not given out again, though nothing of
// their records, not even of their segments' headers, is left: segments have their names
// on the disk before they are used, and Start begins above all of those. It removes the file
// with the highest number only when the new header is on the disk.
//
// Crash in Start: before its header is durable there is only the old log, which
// gives the same end, or a lower one that is still above all that was synced. After it there
// is an empty segment more.
//
// A sync failed, the process was restarted, and the page cache shows what the disk
// does not have: Start writes everything above the highest durable mark once more,
// byte for byte, and syncs it. A sync alone would find clean pages.
//
// Crash while a segment is allocated or recycled: a temporary file, which Start
// removes, or a file of zeros, which it takes. Recycled segments are renamed and
// removed one by one, oldest first, each with a sync of the directory, so that the
// chain never has a hole. The last segment before the new beginning goes only when
// the header of that beginning is on the disk.
//
// Crash after records were synced and before a mark says so: they are there, but
// damage to them would look like a tail. So the log, when idle for SyncEvery and when
// closed, writes one more mark and syncs it.
//
// ENOSPC while allocating: writers wait (ErrFull), and it is tried again every
// second. Space that is allocated and filled with zeros cannot run out later.
package wal
