/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A directory of ptys. One process opens and closes ptmx, again and again; each time, a pty named "0" comes and goes. Others
 * read the directory, use the slave by its name, mount something on it, and watch the directory. The README says how to read
 * this; tests/invariant/run has the variants.
 *
 * LOCK_CREATE, LOCK_REMOVE	whether the directory is locked around making and removing a node
 * CREATE, REMOVE, READDIR	how that is done, and how the directory is read
 * PRIVATE_DATA			whether a node's inode has private data, as in rdevpts, to be dropped with the directory unlocked
 * LIVES			how many ptys come and go
 * READERS, USERS, WATCHERS	how many others there are
 * MOUNTS			whether users may mount
 * SLOW_MEMORY			whether a reader's memory may be served by who closes the ptys
 */
byte finished;			/* how many processes have */

#include "dcache.pml"
#include "readdir.pml"

/* devpts_pty_new() takes no look at what is there; rdevpts's Dir::start_creating() does. */
#define CREATE_DEVPTS	1
#define CREATE_RDEVPTS	2

#define REMOVE_2018		1	/* devpts_pty_kill() as it was */
#define REMOVE_DEVPTS		2	/* as it is */
#define REMOVE_RDEVPTS		3	/* Removing::drop() of src/vfs/dentry.rs */
/* What follows is the last one with one thing wrong. */
#define REMOVE_EVENT_FIRST	4	/* the event before the unhash */
#define REMOVE_EVENT_LATE	5	/* d_delete() and then the event */
#define REMOVE_DROP_FIRST	6	/* d_drop() before d_invalidate() */
#define REMOVE_NO_DGET		7	/* no reference of its own */

#if LOCK_CREATE
#define create_lock()	inode_lock()
#define create_unlock()	inode_unlock()
#else
#define create_lock()	skip
#define create_unlock()	skip
#endif

#if LOCK_REMOVE
#define remove_lock()	inode_lock()
#define remove_unlock()	inode_unlock()
#else
#define remove_lock()	skip
#define remove_unlock()	skip
#endif

/* What a watcher of the directory has been told. */
byte told_inode;		/* the inode that the last IN_DELETE was about */
bool told_alive;		/* whether the last event on "0" was IN_CREATE */

inline fsnotify_create(x)
{
	atomic {
		verify(!told_alive, "IN_CREATE of what was not deleted");
		told_alive = true;
		printf("IN_CREATE\n")
	}
}

inline fsnotify_unlink(x)
{
	atomic {
		verify(d[x].d_inode != NULL, "fsnotify_unlink() of a negative dentry");
		verify(told_alive, "IN_DELETE of what was not created");
		told_alive = false;
		told_inode = d[x].d_inode;
		printf("IN_DELETE\n")
	}
}

/* In 2018 it was part of d_delete(), after the unhash, and said no more than the name. */
inline fsnotify_nameremove(x)
{
	atomic {
		verify(told_alive, "IN_DELETE of what was not created");
		told_alive = false;
		printf("IN_DELETE\n")
	}
}

/* Gives `node`, the dentry of a new pty. */
inline create()
{
	create_lock();
#if CREATE == CREATE_DEVPTS
	atomic { d_alloc(node); printf("d_alloc_name(): dentry %d\n", node) }
#else
	/* simple_start_creating() */
	lookup_dcache(node);
	if
	:: node != NULL -> verify(d[node].d_inode == NULL, "EEXIST for a new pty")
	:: else ->
		atomic { d_alloc(node); printf("d_alloc(): dentry %d\n", node) }
		atomic { rehash(node); printf("simple_lookup(%d): hashed, negative\n", node) }
	fi;
	listing_insert();
#endif
	d_make_persistent(node);
	fsnotify_create(node);
	create_unlock();
	dput(node)
}

inline remove()
{
	printf("close(ptmx)\n");
	remove_lock();
#if REMOVE == REMOVE_2018
	/* d_alloc_name()'s is the one reference here, as it was before there were persistent dentries */
	d_delete(node);
	fsnotify_nameremove(node);
	dput(node);
#elif REMOVE == REMOVE_DEVPTS
	d_drop(node);
	fsnotify_unlink(node);
	d_make_discardable(node);
#else
#if REMOVE != REMOVE_NO_DGET
	dget(node);
#endif
	listing_remove();
#if REMOVE == REMOVE_EVENT_FIRST
	fsnotify_unlink(node);
	d_invalidate(node);
	d_make_discardable(node);
#elif REMOVE == REMOVE_EVENT_LATE
	d_make_discardable(node);
	d_delete(node);
	fsnotify_unlink(node);
#else
#if REMOVE == REMOVE_DROP_FIRST
	d_drop(node);
#endif
	d_invalidate(node);
	fsnotify_unlink(node);
	d_make_discardable(node);
#endif
#endif
	remove_unlock();
#if REMOVE >= REMOVE_RDEVPTS && REMOVE != REMOVE_NO_DGET
	dput(node);
#endif
	atomic {
		alive = false;
		verify(mounted_on != node, "a mount is lost on a node that is gone");
		printf("master closed\n")
	}
}

/* Who opens the master, then the slave by its name, and closes them. */
proctype pty()
{
	byte node;
	byte slave;
	bool last;

	do
	:: atomic { lives < LIVES -> lives++; alive = true; printf("open(ptmx)\n") }
		create();
		lookup(slave);
		atomic {
			verify(d[slave].d_inode != NULL, "ENOENT for the slave of an open master");
			verify(slave == node, "another slave than that of the open master")
		}
		dput(slave);
		remove()
	:: atomic { lives == LIVES -> served = true; finished++ }
		break
	od
}

/* Who stats the slave by its name, opens it, or mounts something on it. */
proctype user()
{
	byte slave;
	bool last;

	lookup(slave);
	if
	:: d[slave].d_inode == NULL -> printf("ENOENT\n")
#if MOUNTS
	:: d[slave].d_inode != NULL -> do_mount(slave)
#endif
	:: atomic { d[slave].d_inode != NULL -> printf("has dentry %d open\n", slave) }
		verify(d[slave].d_inode != NULL, "NULL pointer dereference at the inode of an open slave")
	fi;
	dput(slave);
	finished++
}

/* Who is told that a name is gone, and opens it. */
proctype watcher()
{
	byte slave;
	byte inode;
	bool last;

	atomic { told_inode != NULL -> inode = told_inode; printf("is told of IN_DELETE\n") }
	lookup_dcache(slave);
	if
	:: slave == NULL
	:: else ->
		verify(d[slave].d_inode != inode, "what IN_DELETE was about can be opened");
		dput(slave)
	fi;
	finished++
}

init
{
	byte i;

	atomic {
		d[PTMX].count = 1;
		d[PTMX].d_inode = PTMX;
		d[PTMX].d_hash = PTMX;
		d[ONE].count = 1;
		d[ONE].d_inode = ONE;
		d[ONE].d_hash = ONE;
		run pty();
		do
		:: i < READERS -> run reader(); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < USERS -> run user(); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < WATCHERS -> run watcher(); i++
		:: else -> break
		od;
	}
	finished == 1 + READERS + USERS + WATCHERS;
	atomic {
		verify(i_writer == NULL && i_readers == 0 && !namespace_sem, "a lock is left held");
		verify(mounted_on == NULL, "a mount is lost on a node that is gone");
		for (i : ONE + 1 .. DENTRIES - 1) {
			verify(d[i].count == 0 && d[i].d_inode == NULL, "a dentry is left behind")
		}
	}
}
