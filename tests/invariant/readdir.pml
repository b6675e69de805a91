/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the directory, once, from its first entry to its last. READDIR says how:
 *
 * READDIR_2018		dcache_readdir() as it was: next_positive() takes no reference
 * READDIR_DGET		the same with a reference, taken when it has found the dentry positive
 * READDIR_DCACHE	dcache_readdir() as it is: scan_positives() looks again under d_lock, and takes the reference there
 * READDIR_RDEVPTS	src/vfs/readdir.rs: from the listing, by inode number, copied with the lock dropped
 * READDIR_ORDINAL	the same, but a position is the number of entries read so far
 */
#define READDIR_2018	1
#define READDIR_DGET	2
#define READDIR_DCACHE	3
#define READDIR_RDEVPTS	4
#define READDIR_ORDINAL	5

/* Inode numbers, and so positions in the listing. */
#define INO_PTMX	2
#define INO_ZERO	3
#define INO_ONE		4

byte lives;			/* how many ptys named "0" were ever made, or begun */
bool alive;			/* whether there is one, or half of one */
bool served;			/* whether who serves slow memory has got round to it */

/* Copies an entry to user space: to memory of its own, or to memory that who closes the ptys serves when it is done. */
inline emit(ino)
{
#if SLOW_MEMORY
	if
	:: true
	:: atomic { true -> printf("copies entry %d to slow memory\n", ino) }
		served
	fi;
#endif
	atomic {
		printf("reads entry %d\n", ino);
		verify(!seen[ino], "readdir: an entry came up twice");
		verify(ino != INO_ZERO || was_alive || lives > lives_before, "readdir: a pty came up that was closed before");
		seen[ino] = true
	}
}

#if READDIR <= READDIR_DCACHE

/* What became of the struct inode that a reader has got hold of. */
inline read_inode(x)
{
	atomic {
		verify(!d[x].freed, "readdir: the dentry is freed memory");
		inode = d[x].d_inode;
		printf("inode = d_inode(%d)\n", x)
	}
	atomic {
		verify(inode != NULL, "readdir: NULL pointer dereference at d_inode->i_ino");
		verify(!i_freed[inode], "readdir: the inode is freed memory");
		printf("inode->i_ino\n")
	}
}

/* One step of a walk: `x` is the next child that looks positive. */
inline next_positive(x)
{
	x--;
	do
	:: x == NULL -> break
	:: x != NULL && simple_positive(x) -> break
	:: else -> x--
	od;
	if
	:: x != NULL -> printf("next_positive(): %d\n", x)
	:: else
	fi
}

#if READDIR == READDIR_DGET
#define still_there(x)	(!d[x].freed)		/* lockref_get_not_dead() */
#else
#define still_there(x)	simple_positive(x)	/* under d_lock */
#endif

inline readdir()
{
	inode_lock_shared();
	/* one past the head of the list */
	next = newest + 1;
	do
	:: true ->
		atomic { next_positive(next) }
#if READDIR != READDIR_2018
		atomic {
			if
			:: next != NULL && still_there(next) -> d[next].count++; printf("dget(%d)\n", next)
			:: next != NULL && !still_there(next) -> goto again
			:: else
			fi
		}
#endif
		if
		:: next == NULL -> break
		:: else
		fi;
		read_inode(next);
		if
		:: next == PTMX -> emit(INO_PTMX)
		:: next == ONE -> emit(INO_ONE)
		:: else -> emit(INO_ZERO)
		fi;
#if READDIR != READDIR_2018
		dput(next);
#endif
again:		skip
	od;
	inode_unlock_shared()
}

#define listing_insert()	skip
#define listing_remove()	skip

#else

/* The listing: "ptmx" and "1" are always in it. Who changes it must be alone with it. */
bool listed;			/* whether "0" is */
bool listing_changes;
byte listing_readers;

inline listing_set(value)
{
	atomic {
		verify(!listing_changes && listing_readers == 0, "the listing is changed while somebody else uses it");
		listing_changes = true
	}
	atomic { listed = value; listing_changes = false; printf("the listing has changed\n") }
}

#define listing_insert()	listing_set(true)
#define listing_remove()	listing_set(false)

/* One batch, of one entry: `found` is the first from position `next` on, 0 for none. */
inline listing_copy()
{
	atomic {
		verify(!listing_changes, "the listing is changed while somebody else uses it");
		listing_readers++;
#if READDIR == READDIR_ORDINAL
		found = INO_PTMX + next;
		if
		:: found >= INO_ZERO && !listed -> found++
		:: else
		fi;
		next++;
#else
		if
		:: next <= INO_PTMX -> found = INO_PTMX
		:: next == INO_ZERO && listed -> found = INO_ZERO
		:: next == INO_ZERO && !listed -> found = INO_ONE
		:: else -> found = next
		fi;
		next = found + 1;
#endif
		if
		:: found > INO_ONE -> found = 0
		:: else -> printf("finds entry %d\n", found)
		fi
	}
	listing_readers--
}

inline readdir()
{
	next = 0;
	do
	:: true ->
		inode_lock_shared();
		listing_copy();
		inode_unlock_shared();
		if
		:: found == 0 -> break
		:: else -> emit(found)
		fi
	od
}

#endif

proctype reader()
{
	bool seen[INO_ONE + 1];
	bool was_alive;
	byte lives_before;
	byte next;
#if READDIR <= READDIR_DCACHE
	byte inode;
	bool last;
#else
	byte found;
#endif

	atomic { was_alive = alive; lives_before = lives; printf("getdents()\n") }
	readdir();
	atomic {
		printf("end of the directory\n");
		verify(seen[INO_PTMX] && seen[INO_ONE], "readdir: an entry that is there throughout is missing");
		finished++
	}
}
