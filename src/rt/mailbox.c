#include "rt/mailbox.h"

#include <stdlib.h>

struct weir__mail {
    struct weir__mail *next;
    void (*fn)(void *arg);
    void *arg;
};

void weir__mailbox_init(struct weir__mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
}

/* Everything posted so far, oldest first. An empty mailbox costs one load, as it is looked at in
 * each turn of the loop. The load is sequentially consistent together with the back-end's `woken`:
 * a poster that finds `woken` set does not wake the loop, and relies on this load to come after the
 * loop has cleared it. */
static struct weir__mail *take_all(struct weir__mailbox *mailbox)
{
    struct weir__mail *oldest = NULL;
    if (atomic_load(&mailbox->newest) == NULL)
        return NULL;
    struct weir__mail *mail = atomic_exchange(&mailbox->newest, NULL);
    while (mail != NULL) {
        struct weir__mail *older = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = older;
    }
    return oldest;
}

void weir__mailbox_fini(struct weir__mailbox *mailbox)
{
    struct weir__mail *mail = take_all(mailbox);
    while (mail != NULL) {
        struct weir__mail *next = mail->next;
        free(mail);
        mail = next;
    }
}

int weir__mailbox_post(struct weir__mailbox *mailbox, void (*fn)(void *arg), void *arg)
{
    struct weir__mail *mail = malloc(sizeof *mail);
    if (mail == NULL)
        return WEIR_ENOMEM;
    *mail = (struct weir__mail){.fn = fn, .arg = arg};
    mail->next = atomic_load(&mailbox->newest);
    while (!atomic_compare_exchange_weak(&mailbox->newest, &mail->next, mail))
        ; /* mail->next is the newest again */
    return WEIR_OK;
}

void weir__mailbox_open(struct weir__mailbox *mailbox)
{
    struct weir__mail *mail = take_all(mailbox);
    while (mail != NULL) {
        struct weir__mail *next = mail->next;
        mail->fn(mail->arg);
        free(mail);
        mail = next;
    }
}
