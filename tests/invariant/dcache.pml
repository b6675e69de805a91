/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the VFS has of one directory: its lock, its dentries, and what is mounted on them; as fs/dcache.c, fs/namei.c and
 * fs/namespace.c of 7.3 do it.
 *
 * What the kernel does under a dentry's d_lock, an RCU walk, or one atomic operation on a lockref is one step here, an
 * atomic { }. Between two steps, anybody may come.
 */

#define NULL 0

/* The first that is not right ends the search; `what` is how the report calls it. (A macro: an inline takes no strings.) */
#define verify(ok, what) \
	if \
	:: (ok) \
	:: else -> printf(what); printf("\n"); assert(false) \
	fi

/*
 * The directory's i_rwsem. A writer that waits keeps new readers out, as the kernel's does: that is what makes a reader
 * who waits for a reader deadlock.
 */
byte i_readers;
byte i_writer;			/* the process that has it exclusively */
byte i_writers_waiting;

inline inode_lock()
{
	i_writers_waiting++;
	atomic {
		i_readers == 0 && i_writer == NULL ->
		i_writers_waiting--;
		i_writer = _pid;
		printf("inode_lock(dir)\n")
	}
}

inline inode_unlock()
{
	atomic { i_writer = NULL; printf("inode_unlock(dir)\n") }
}

inline inode_lock_shared()
{
	atomic {
		i_writer == NULL && i_writers_waiting == 0 ->
		i_readers++;
		printf("inode_lock_shared(dir)\n")
	}
}

inline inode_unlock_shared()
{
	atomic { i_readers--; printf("inode_unlock_shared(dir)\n") }
}

/*
 * Dentries and inodes, by number; neither is used twice. The list of children is the dentries from the highest number down:
 * the newest is at its head, and a walk goes on from a dentry that has left the list.
 *
 * Dentries 1 and 2 are "ptmx" and "1", a pty that stays open. All others are named "0".
 */
#define PTMX		1
#define ONE		2
#define DENTRIES	12

typedef dentry {
	byte count;		/* d_lockref */
	byte d_inode;		/* NULL: negative */
	byte d_hash;		/* 0: unhashed; else the higher, the nearer to the head of the hash chain */
	bool d_mounted;		/* DCACHE_MOUNTED */
	bool freed		/* killed and, but for RCU readers, freed */
};

dentry d[DENTRIES];
byte newest = ONE;		/* dentry */
byte newest_inode = ONE;
byte newest_hash = ONE;
bool i_freed[DENTRIES];

#define simple_positive(x)	(d[x].d_inode != NULL && d[x].d_hash != 0)

/* A new dentry named "0", with one reference. Part of a step. */
inline d_alloc(x)
{
	newest++;
	x = newest;
	d[x].count = 1
}

/* At the head of its chain. Part of a step. */
inline rehash(x)
{
	newest_hash++;
	d[x].d_hash = newest_hash
}

/* The first "0" of the hash chain, without a reference. Part of a step. */
byte walk;
inline hash_first(x)
{
	x = NULL;
	walk = newest;
	do
	:: walk <= ONE -> break
	:: walk > ONE ->
		if
		:: d[walk].d_hash > d[x].d_hash -> x = walk
		:: else
		fi;
		walk--
	od;
	walk = NULL
}

/* dentry_unlink_inode() with its iput(), which is the last. Part of a step. */
inline dentry_unlink_inode(x)
{
#if PRIVATE_DATA
	verify(i_writer != _pid, "an inode's private data is dropped with the directory locked");
#endif
	i_freed[d[x].d_inode] = true;
	d[x].d_inode = NULL
}

/* dentry_kill(): what has no reference goes, as DCACHE_DONTCACHE says. Part of a step. */
inline dentry_kill(x)
{
	if
	:: d[x].count == 0 && !d[x].freed ->
		d[x].d_hash = 0;
		if
		:: d[x].d_inode != NULL -> dentry_unlink_inode(x)
		:: else
		fi;
		d[x].freed = true;
		printf("dentry %d is freed\n", x)
	:: else
	fi
}

inline dget(x)
{
	atomic {
		verify(!d[x].freed, "dget() of a freed dentry");
		d[x].count++;
		printf("dget(%d)\n", x)
	}
}

/* fast_dput() without the lock, then, if that was the last reference, what is done with it: somebody may have got another. */
inline dput(x)
{
	atomic {
		verify(!d[x].freed && d[x].count > 0, "dput() of a freed dentry");
		d[x].count--;
		printf("dput(%d): %d left\n", x, d[x].count);
		if
		:: d[x].count == 0 -> last = true
		:: else -> last = false
		fi
	}
	if
	:: last -> atomic { dentry_kill(x) }
	:: else
	fi
}

/* The reference of d_make_persistent() goes. */
inline d_make_discardable(x)
{
	atomic {
		verify(!d[x].freed, "d_make_discardable() of a freed dentry");
		printf("d_make_discardable(%d)\n", x);
		d[x].count--;
		dentry_kill(x)
	}
}

inline d_drop(x)
{
	atomic { d[x].d_hash = 0; printf("d_drop(%d)\n", x) }
}

/* Makes the dentry negative if nobody else has a reference, and leaves it hashed then; only unhashes it otherwise. */
inline d_delete(x)
{
	atomic {
		if
		:: d[x].count == 1 ->
			printf("d_delete(%d): d_inode = NULL\n", x);
			dentry_unlink_inode(x)
		:: else ->
			printf("d_delete(%d): in use, unhashed\n", x);
			d[x].d_hash = 0
		fi
	}
}

/* d_make_persistent() of a dentry to which the caller has a reference; it takes another. */
inline d_make_persistent(x)
{
	atomic {
		verify(d[x].d_inode == NULL, "d_make_persistent() of a positive dentry");
		newest_inode++;
		d[x].d_inode = newest_inode;
		d[x].count++;
		if
		:: d[x].d_hash == 0 -> rehash(x)
		:: else
		fi;
		printf("d_make_persistent(%d)\n", x)
	}
}

/*
 * Looking "0" up, which gives a dentry with a reference, positive or negative: __d_lookup() without the directory's lock, and
 * if that finds none, __lookup_slow() with it: d_alloc_parallel(), of which there is one at a time for a name, and
 * simple_lookup(), which hashes a negative dentry.
 */
byte in_lookup;			/* dentry */

inline lookup_dcache(x)
{
	atomic {
		hash_first(x);
		if
		:: x != NULL -> d[x].count++; printf("looks \"0\" up: dentry %d\n", x)
		:: else -> printf("looks \"0\" up: not hashed\n")
		fi
	}
}

inline lookup(x)
{
	lookup_dcache(x);
	if
	:: x != NULL
	:: else ->
		inode_lock_shared();
		atomic {
			in_lookup == NULL ->
			hash_first(x);
			if
			:: x != NULL -> d[x].count++; printf("looks \"0\" up: dentry %d\n", x)
			:: else ->
				d_alloc(x);
				in_lookup = x;
				printf("d_alloc_parallel(): dentry %d\n", x)
			fi
		}
		if
		:: in_lookup == x ->
			atomic {
				rehash(x);
				in_lookup = NULL;
				printf("simple_lookup(%d): hashed, negative\n", x)
			}
		:: else
		fi;
		inode_unlock_shared()
	fi
}

/* Mounts. There is one that can be made, on a dentry named "0". */
bool namespace_sem;
byte mounted_on;		/* dentry */

inline namespace_lock()		{ atomic { !namespace_sem -> namespace_sem = true } }
inline namespace_unlock()	{ namespace_sem = false }

/* do_lock_mount(), get_mountpoint() with d_set_mounted(), and attach_recursive_mnt(). */
inline do_mount(x)
{
	namespace_lock();
	atomic {
		if
		:: d[x].d_hash != 0 && mounted_on == NULL ->
			d[x].d_mounted = true;
			d[x].count++
		:: else -> printf("mount on %d: ENOENT\n", x)
		fi
	}
	if
	:: d[x].d_mounted -> atomic { mounted_on = x; printf("mount on %d\n", x) }
	:: else
	fi;
	namespace_unlock()
}

/* d_invalidate(): unhashes, then detach_mounts() of what it finds mounted. What is unhashed it leaves alone. */
inline d_invalidate(x)
{
	if
	:: d[x].d_hash == 0 -> printf("d_invalidate(%d): is unhashed\n", x)
	:: else ->
		atomic { d[x].d_hash = 0; printf("d_invalidate(%d): unhashed\n", x) }
		if
		:: d[x].d_mounted ->
			namespace_lock();
			atomic {
				mounted_on = NULL;
				d[x].d_mounted = false;
				printf("detach_mounts(%d)\n", x)
			}
			namespace_unlock();
			dput(x)
		:: else
		fi
	fi
}
