-- A small database in the shape of WHMCS 8, written for these tests: the tables and columns that the ready queries
-- read, with the types and defaults that WHMCS gives them, and rows that hurt.
create table tblclients (
  id int(10) not null auto_increment primary key,
  firstname text not null,
  lastname text not null,
  companyname text not null,
  email text not null,
  status enum('Active','Inactive','Closed') not null default 'Active',
  language text not null,
  datecreated date not null
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tbldomains (
  id int(10) not null auto_increment primary key,
  userid int(10) not null,
  orderid int(1) not null,
  type enum('Register','Transfer') not null,
  registrationdate date not null,
  domain text not null,
  recurringamount decimal(16,2) not null,
  registrar text not null,
  expirydate date default null,
  status enum('Pending','Pending Registration','Pending Transfer','Active','Grace','Redemption','Expired','Cancelled','Fraud','Transferred Away') not null default 'Pending',
  nextduedate date not null default '0000-00-00',
  key userid (userid)
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblproducts (
  id int(10) not null auto_increment primary key,
  name text not null
) engine=InnoDB default charset=latin1;
create table tblservers (
  id int(10) not null auto_increment primary key,
  name text not null
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblhosting (
  id int(10) not null auto_increment primary key,
  userid int(10) not null,
  orderid int(10) not null,
  packageid int(10) not null,
  server int(10) not null,
  regdate date not null,
  domain text not null,
  amount decimal(16,2) not null default 0.00,
  billingcycle text not null,
  nextduedate date default null,
  domainstatus enum('Pending','Active','Suspended','Terminated','Cancelled','Fraud','Completed') not null default 'Pending',
  username text not null,
  diskusage int(10) not null default 0,
  disklimit int(10) not null default 0,
  key userid (userid),
  key orderid (orderid)
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblinvoices (
  id int(10) unsigned not null auto_increment primary key,
  userid int(10) not null,
  invoicenum text not null,
  date date default null,
  duedate date default null,
  datepaid datetime not null default '0000-00-00 00:00:00',
  total decimal(16,2) not null default 0.00,
  status text not null,
  paymentmethod text not null
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblaccounts (
  id int(10) not null auto_increment primary key,
  userid int(10) not null,
  gateway text not null,
  date datetime default null,
  amountin decimal(16,2) not null default 0.00,
  amountout decimal(16,2) not null default 0.00,
  transid text not null,
  invoiceid int(10) not null default 0
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblorders (
  id int(10) not null auto_increment primary key,
  ordernum bigint(10) not null,
  userid int(10) not null,
  admin_requestor_id int(10) unsigned not null default 0,
  date datetime not null,
  amount decimal(16,2) not null,
  paymentmethod text not null,
  invoiceid int(10) unsigned not null default 0,
  status text not null
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblticketdepartments (
  id int(3) not null auto_increment primary key,
  name text not null
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tbltickets (
  id int(10) not null auto_increment primary key,
  tid varchar(128) default null,
  did int(10) not null,
  userid int(10) not null,
  name text not null,
  email text not null,
  date datetime not null default '0000-00-00 00:00:00',
  title text not null,
  status varchar(64) not null,
  urgency text not null,
  admin text not null,
  lastreply datetime not null,
  merged_ticket_id int(11) not null default 0
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblticketreplies (
  id int(10) not null auto_increment primary key,
  tid int(10) not null,
  userid int(10) not null,
  date datetime not null,
  admin text not null,
  key tid_date (tid, date)
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblemails (
  id int(10) not null auto_increment primary key,
  userid int(10) not null,
  subject text not null,
  message text not null,
  date datetime default null,
  `to` text default null,
  pending tinyint(1) not null default 0,
  failed tinyint(1) not null default 0,
  key userid (userid)
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblcredit (
  id int(10) not null auto_increment primary key,
  clientid int(10) not null,
  admin_id int(10) unsigned not null default 0,
  date date not null,
  description text not null,
  amount decimal(16,2) not null,
  relid int(10) not null default 0
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblticketfeedback (
  id int(10) not null auto_increment primary key,
  ticketid int(10) not null,
  adminid int(10) not null,
  rating int(2) not null,
  comments text not null,
  datetime datetime not null,
  ip text not null
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
create table tblnotes (
  id int(10) not null auto_increment primary key,
  userid int(10) not null,
  adminid int(10) not null default 0,
  created datetime not null,
  modified datetime not null,
  note text not null,
  sticky int(1) not null,
  key userid (userid)
) engine=InnoDB default charset=utf8mb3 collate=utf8mb3_unicode_ci;
-- 1 a company with entities in its name · 2 a person · 3 neither name nor address, closed · 9 was deleted
insert into tblclients values
  (1, 'Kari', 'Nordmann', 'O&#039;Brien &amp; Sønner AS', 'post@obrien.example', 'Active', 'norwegian', '2019-03-01'),
  (2, 'Jürgen', 'Müller', '', 'jm@example.org', 'Inactive', '', '2021-01-15'),
  (3, '', '', '', '', 'Closed', '', '0000-00-00');
insert into tbldomains values
  (1, 1, 11, 'Register', '2019-03-01', 'OBrien.example', 150.00, 'norid', '2026-12-01', 'Active', '2026-11-20'),
  (2, 1, 0, 'Transfer', '2020-01-01', 'gone.example', 150.00, 'enom', '2026-10-01', 'Transferred Away', '2026-10-01'),
  (3, 2, 0, 'Register', '2020-01-01', 'late.example', 150.00, '', '2026-11-01', 'Redemption', '2026-11-01'),
  (4, 2, 0, 'Register', '2020-01-01', 'unknown.example', 150.00, '', '0000-00-00', 'Active', '0000-00-00'),
  (5, 2, 0, 'Register', '2020-01-01', 'never-said.example', 150.00, '', null, 'Active', '0000-00-00'),
  (6, 9, 0, 'Register', '2020-01-01', 'orphan.example', 150.00, '', '2026-12-24', 'Active', '2026-12-24'),
  (7, 2, 0, 'Register', '2026-11-20', 'ordered.example', 150.00, '', null, 'Pending', '0000-00-00');
insert into tblproducts values (1, 'Webhotell «Stor» &amp; rask'), (2, 'Server M');
insert into tblservers values (1, 'web1');
insert into tblhosting values
  (1, 1, 11, 1, 1, '2019-03-01', 'OBrien.example', 1490.00, 'Annually', '2027-03-01', 'Active', 'obrien', 4200, 10000),
  (2, 2, 0, 2, 0, '0000-00-00', '', 8900.50, 'Monthly', '0000-00-00', 'Suspended', '', 0, 0),
  (3, 9, 0, 99, 99, '2020-01-01', 'orphan.example', 590.00, 'Monthly', '2026-12-01', 'Active', 'a(b', 0, 0),
  (4, 2, 0, 1, 1, '2018-01-01', 'old.example', 590.00, 'Monthly', null, 'Terminated', 'old', 0, 0),
  (5, 2, 12, 1, 1, '2026-11-20', 'ordered.example', 590.00, 'Monthly', null, 'Pending', '', 0, 0);
insert into tblinvoices values
  (1, 1, 'F-2026-1', '2026-11-01', '2026-11-15', '2026-11-10 09:30:00', 1490.00, 'Paid', 'banktransfer'),
  (2, 2, '', '2026-11-01', '2026-11-15', '0000-00-00 00:00:00', 590.00, 'Unpaid', 'stripe'),
  (3, 9, '', '2026-11-01', null, '0000-00-00 00:00:00', 10.00, 'Collections', ''),
  (4, 2, '', '2026-11-21', '2026-12-01', '0000-00-00 00:00:00', 1.00, 'Draft', '');
insert into tblaccounts values
  (1, 0, 'banktransfer', '2026-11-10 09:30:00', 1490.00, 0.00, 'KID-1', 1),
  (2, 2, 'stripe', '2026-11-12 23:59:59', 0.00, 590.00, '', 0),
  (3, 2, 'stripe', '2026-11-13 00:00:00', 0.00, 0.00, '', 0);
insert into tblorders values
  (11, 7858259149, 1, 0, '2026-11-09 08:00:00', 1490.00, 'banktransfer', 1, 'Active'),
  (12, 7858259150, 2, 3, '2026-11-20 18:00:00', 590.00, 'stripe', 2, 'Pending'),
  (13, 7858259151, 9, 0, '2026-11-20 18:30:00', 0.00, '', 0, 'Fraud');
insert into tblticketdepartments values (1, 'Support &amp; hjelp');
insert into tbltickets values
  (1, 'ABC-123', 1, 1, 'Kari', 'kari@obrien.example', '2026-11-20 09:00:00', 'E-post &quot;virker&quot; ikke', 'Customer-Reply', 'High', '', '2026-11-20 11:00:00', 0),
  (2, 'DEF-456', 1, 0, 'A guest', 'guest@example.net', '2026-11-20 10:00:00', 'Price?', 'Closed', 'Low', '', '2026-11-20 10:20:00', 0),
  (3, 'GHI-789', 1, 1, 'Kari', 'kari@obrien.example', '2026-11-20 10:05:00', 'Twice', 'Open', 'Medium', '', '2026-11-20 10:05:00', 1),
  (4, 'JKL-012', 7, 2, '', '', '2026-11-21 08:00:00', 'Your server moves', 'Answered', 'Medium', 'Jonas Lie', '2026-11-21 08:00:00', 0);
insert into tblticketreplies values
  (1, 1, 0, '2026-11-20 09:30:00', 'Jonas Lie'),
  (2, 1, 1, '2026-11-20 10:00:00', ''),
  (3, 1, 0, '2026-11-20 10:30:00', 'Amina Haddad'),
  (4, 1, 1, '2026-11-20 11:00:00', ''),
  (5, 2, 0, '2026-11-20 10:20:00', 'Jonas Lie');
insert into tblemails values
  (1, 1, 'Domain renewal: obrien.example &amp; more', 'Renew OBrien.example', '2026-11-01 06:00:00', 'post@obrien.example', 0, 0),
  (2, 2, 'Invoice 2', 'Server M', '2026-11-01 06:00:05', '', 0, 0),
  (3, 2, 'Waits', 'ordered.example', '2026-11-01 06:00:06', 'jm@example.org', 1, 0),
  (4, 2, 'Failed', 'ordered.example', '2026-11-01 06:00:07', 'jm@example.org', 0, 1),
  (5, 9, 'To nobody known', '', '2026-11-01 06:00:08', null, 0, 0),
  (6, 0, 'Without a moment', '', null, 'x@example.org', 0, 0),
  (7, 1, 'Invoice Payment Confirmation', 'Webhotell - OBrien.example. Mail to obrien@obrien.example', '2026-11-10 09:30:01', 'post@obrien.example', 0, 0),
  (8, 1, 'New Account Information', '<p>Domain: OBrien.example<br />User: obrien<br />', '2026-11-10 10:00:00', 'post@obrien.example', 0, 0),
  (9, 2, 'Upcoming Domain Renewal Notice', '<li>late.example - 3 days</li><li>my-unknown.example</li>', '2026-11-11 06:00:00', '', 0, 0),
  (10, 1, 'Older than the rest', 'OBrien.example', '2026-05-15 05:59:59', 'post@obrien.example', 0, 0);
insert into tblcredit values
  (1, 1, 1, '2026-11-03', ' Reward', 250.00, 0),
  (2, 1, 0, '2026-11-10', 'Credit Applied to Invoice #1', -250.00, 1),
  (3, 2, 0, '2026-11-12', 'Storm &amp; outage', 99.50, 0);
insert into tblticketfeedback values
  (1, 2, 1, 9, 'Quick', '2026-11-20 12:00:00', ''),
  (2, 2, 2, 3, '', '2026-11-20 12:00:00', ''),
  (3, 2, 0, 0, 'Asked twice &amp; waited', '2026-11-20 12:00:00', ''),
  (4, 1, 0, 0, 'Only words', '2026-11-20 13:00:00', ''),
  (5, 4, 1, 10, '', '2026-11-21 09:00:00', ''),
  (6, 99, 1, 5, 'Its ticket is gone', '2026-11-21 10:00:00', '');
insert into tblnotes values
  (1, 1, 1, '2026-11-20 12:59:59', '2026-11-20 12:59:59', 'Before it', 0),
  (2, 1, 1, '2026-11-20 15:00:00', '2026-11-20 15:00:00', 'Called them', 0);
insert into tblticketreplies values (6, 2, 0, '2026-11-20 14:00:00', 'Jonas Lie')
