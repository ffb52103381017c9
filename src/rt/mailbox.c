#include "rt/mailbox.h"

#include <stdlib.h>

struct weir__mail {
    struct weir__mail *next;
    void (*fn)(void *arg);
    void *arg;
};

void weir__mailbox_init(struct weir__mailbox *mailbox)
{
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
}

static struct weir__mail *take_all(struct weir__mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct weir__mail *mail = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    return mail;
}

void weir__mailbox_fini(struct weir__mailbox *mailbox)
{
    struct weir__mail *mail = take_all(mailbox);
    while (mail != NULL) {
        struct weir__mail *next = mail->next;
        free(mail);
        mail = next;
    }
    pthread_mutex_destroy(&mailbox->lock);
}

int weir__mailbox_post(struct weir__mailbox *mailbox, void (*fn)(void *arg), void *arg)
{
    struct weir__mail *mail = malloc(sizeof *mail);
    if (mail == NULL)
        return WEIR_ENOMEM;
    *mail = (struct weir__mail){.fn = fn, .arg = arg};
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->end = mail;
    mailbox->end = &mail->next;
    pthread_mutex_unlock(&mailbox->lock);
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
