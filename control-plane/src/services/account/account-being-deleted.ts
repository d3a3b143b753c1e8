import { forbidden } from '../../errors.ts'

/** Whoever asked to be forgotten is let in no more, and cannot begin anew before everything is gone. */
export const accountBeingDeleted = () =>
  forbidden('This account is being deleted. You get a mail when it is done.', 'account_being_deleted')
